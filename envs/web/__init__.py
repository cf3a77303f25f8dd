"""Pictures of other worlds than the playhouse and the phone, captioned as the web captions its pictures.

They train the stand-in for an off-the-shelf CLIP: a model that knows what a red mug or a calculator looks like, and has
never seen the rooms, cameras, things, themes and layouts that it is to judge. Nothing here is drawn with the
playhouse's camera, textures, meshes or colours, nor with the phone's fonts, icons, themes or screens.
"""

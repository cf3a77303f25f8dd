"""The command that writes and verifies the record by which a checkpoint folder proves itself.

`python -m vlm_rewards.self_check --help`. What it records, and how an encoder is checked against it whenever it is
loaded, is in `vlm_rewards.encoders.proof`.
"""

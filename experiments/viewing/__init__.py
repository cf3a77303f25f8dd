"""Episodes frame by frame: where they are recorded, and the page that shows them."""

"""What the commands about reward models share: labelled states, embeddings, scores, and what is measured on them."""

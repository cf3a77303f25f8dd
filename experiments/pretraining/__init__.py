"""What the commands that pretrain share."""

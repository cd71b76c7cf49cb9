"""Pure statistics that training and report share; no PyTorch, no files."""

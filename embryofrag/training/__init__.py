"""The recipe: a manifest of labelled frames -> modules A and B of a model, and what is known of their quality."""

"""What turns the lessons into notebooks, and judges the answers in them."""

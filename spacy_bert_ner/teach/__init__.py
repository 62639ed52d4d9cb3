"""What teachers find in texts becomes what a smaller pipeline learns."""

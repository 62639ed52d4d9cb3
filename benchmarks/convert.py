"""What converting costs and keeps: the figures of issue B, against pandas reading the same file.

Run it from the project's folder: python benchmarks/convert.py --output benchmarks/results/convert.json
"""

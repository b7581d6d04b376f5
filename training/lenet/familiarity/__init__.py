"""Familiarity: whether an image is one of a LeNet's classes at all, as a further output of its graph.

A small network on LeNet's features is trained to tell the classes from made outliers (outlier exposure; Hendrycks,
Mazeika and Dietterich 2019), and its logit is scaled so that its sigmoid is a calibrated probability.
"""

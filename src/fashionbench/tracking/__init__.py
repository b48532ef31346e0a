"""What MLflow is told: epochs while they are trained, and results when they are there.

The only importer of mlflow. Two kinds of run, in the one experiment: a parent for a network, and
under it a child for each replicate.
"""

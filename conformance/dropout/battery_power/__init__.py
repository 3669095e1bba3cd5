"""How many decisions the battery needs to find each fault, and how often it is wrong.

faulty (generators with one fault each), faults (how many decisions show each: every report of the
battery names the faults that its decisions are too few for), power and calibrate (the same,
measured): ``python -m conformance.dropout power | calibrate``.
"""

"""Studies of many trainings: running trials, aggregation over seeds, claims, tables and figures."""

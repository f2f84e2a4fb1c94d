"""The seven verbs as Kedro pipelines: ingestion, experiment, comparison."""

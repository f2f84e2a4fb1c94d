"""Kedro pipelines and their nodes: experiments, studies, comparison, and tools."""

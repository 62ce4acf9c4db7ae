"""The lab: real PostgreSQL servers, our programs and a workload, started and stopped by tests and by the demo."""

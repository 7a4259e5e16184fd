"""Apache Airflow provider for the FTPS gateway of the Danish customs systems ICS and Manifest."""

__version__ = "0.1.0"

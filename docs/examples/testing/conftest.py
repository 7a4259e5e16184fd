pytest_plugins = ["airflow_provider_icsftps.testing.pytest_plugin"]

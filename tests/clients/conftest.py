from servers import demo, environment, scripted  # noqa: F401  (fixtures)

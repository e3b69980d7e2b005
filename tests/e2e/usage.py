"""How the program refuses what it was asked."""


def assert_usage_error(result, *words):
    """One line on stderr that says what to do, nothing on stdout, status 2."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("glimt: "), result.stderr
    for word in words:
        assert word in lines[0]

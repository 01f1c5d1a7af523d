"""The process that all trials of a session are forked from, and an `apply` for each format that can be written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fork_server import ForkServer
from writer_cases import FORMATS, Case, make_case

import migspec


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer() as running:
        yield running


@pytest.fixture(scope="module", params=FORMATS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: ForkServer) -> Case:
    try:
        made = make_case(request.param, tmp_path_factory.mktemp("case"))
    except migspec.SpecError as error:
        if error.diagnostics[0].code == "MIG513":
            pytest.skip(str(error))
        raise
    server.warm_up([*made.arguments, "--quiet"])
    return made


@pytest.fixture(scope="session")
def disks(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Children may mount file systems of their own."""
    tried = server.run("can_mount", [str(tmp_path_factory.mktemp("mounted"))])
    if tried.code:
        pytest.skip(f"no file system can be mounted here, neither as root nor in a user namespace: {tried.out}{tried.err}")

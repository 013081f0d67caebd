"""Every attack on the pages of `myositis ui` once, against a real process."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import dagster as dg
import pytest
from websockets.sync.client import connect

from tests.attack import ui
from tests.attack.ui import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ui.served(tmp_path_factory.mktemp("pages") / "registry") as server:
        yield server


def test_the_pages_give_their_own_session_what_it_asks(server: Server) -> None:
    assert ui.without_an_attack(server) == []
    assert ui.headers_of_pages(server) == []


def test_each_attack_is_refused_and_deletes_no_run(server: Server) -> None:
    told = [ui.refused(server, one) for one in ui.tries(server, random.Random(18))]
    assert len(told) > 40
    assert [sentence for sentence in told if sentence] == []
    assert ui.run_exists(server)


def test_the_session_itself_can_delete_a_run(server: Server) -> None:
    """Else the attacks would prove nothing."""
    with dg.DagsterInstance.get() as instance:
        run = instance.add_run(dg.DagsterRun(job_name="build", run_id=ui._uuid(2))).run_id
        answer = ui.ask(server.port, ui.graphql(server, ui.DELETE % f'"{run}"'))
        assert answer.status == 200, answer.body
        assert instance.get_run_by_id(run) is None


def test_no_mutation_goes_through_a_websocket(server: Server) -> None:
    own = server.own
    with connect(
        f"ws://127.0.0.1:{server.port}/dagster/graphql",
        origin=own["Origin"],
        additional_headers={"Cookie": own["Cookie"]},
        subprotocols=["graphql-ws"],
    ) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv())["type"] == "connection_ack"
        asked = {"query": ui.DELETE % f'"{server.victim}"'}
        socket.send(json.dumps({"type": "start", "id": "1", "payload": asked}))
        assert json.loads(socket.recv(5))["type"] == "error"
    assert ui.run_exists(server)


def test_a_crowd_without_the_token_does_not_keep_the_owner_out(server: Server) -> None:
    refused, seconds, wrong = ui.crowd(server, 150)
    assert wrong == []
    assert refused == 50
    assert seconds < 5

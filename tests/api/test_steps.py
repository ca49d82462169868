"""A coroutine that needs no task."""

import asyncio

from api.steps import Steps


def test_a_coroutine_takes_its_first_step_at_once():
    done = []

    async def wait(future):
        done.append("begun")
        await asyncio.sleep(0)
        return await future

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        Steps(wait(future), done.append, loop).step()
        assert done == ["begun"]
        await asyncio.sleep(0.001)
        future.set_result(b"x")
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert done == ["begun", b"x"]

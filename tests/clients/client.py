"""PyPI mcp, over SSE and over Streamable HTTP: connect, initialize, list, call, leave."""

import asyncio
import os

import httpx2
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

ORIGIN = os.environ["PORTHOLE_ORIGIN"]
HEADERS = {"Authorization": "Bearer " + os.environ["PORTHOLE_TOKEN"]}


async def visit(name, read, write):
    async with ClientSession(read, write) as session:
        info = await session.initialize()
        assert info.server_info.name == "porthole", info
        tools = (await session.list_tools()).tools
        assert "resources_describe" in [tool.name for tool in tools]
        for _ in range(3):
            answer = await session.call_tool("pods_list_in_namespace", {"namespace": "shop"})
            assert not answer.is_error and "cart-5b8f7d9c64-mz7wl" in answer.content[0].text, answer
        refused = await session.call_tool("pods_get", {"name": "nope", "namespace": "shop"})
        assert refused.is_error and refused.content[0].text.startswith("ERROR: "), refused
    print(f"{name}: ok")


async def main():
    async with sse_client(ORIGIN + "/sse", headers=HEADERS) as (read, write):
        await visit("sse", read, write)
    async with httpx2.AsyncClient(headers=HEADERS) as http:
        async with streamable_http_client(ORIGIN + "/mcp", http_client=http) as streams:
            await visit("streamable", streams[0], streams[1])


asyncio.run(asyncio.wait_for(main(), 60))

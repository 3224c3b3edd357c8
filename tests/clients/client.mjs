// npm @modelcontextprotocol/sdk, over SSE and over Streamable HTTP: connect, initialize, list, call, leave.
import assert from "node:assert";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.PORTHOLE_NODE_MODULES + "/");
const load = (name) => import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/" + name)).href);
const { Client } = await load("client/index.js");
const { SSEClientTransport } = await load("client/sse.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");

const origin = process.env.PORTHOLE_ORIGIN;
const headers = { Authorization: `Bearer ${process.env.PORTHOLE_TOKEN}` };

async function visit(name, transport) {
  const client = new Client({ name: "porthole-test", version: "1.0.0" });
  const errors = [];
  client.onerror = (error) => errors.push(error);
  await client.connect(transport);
  assert.equal(client.getServerVersion().name, "porthole");
  const { tools } = await client.listTools();
  assert.ok(tools.some((tool) => tool.name === "resources_describe"), JSON.stringify(tools));
  for (let i = 0; i < 3; i++) {
    const answer = await client.callTool({ name: "pods_list_in_namespace", arguments: { namespace: "shop" } });
    assert.ok(!answer.isError && answer.content[0].text.includes("cart-5b8f7d9c64-mz7wl"), JSON.stringify(answer));
  }
  const refused = await client.callTool({ name: "pods_get", arguments: { name: "nope", namespace: "shop" } });
  assert.ok(refused.isError && refused.content[0].text.startsWith("ERROR: "), JSON.stringify(refused));
  assert.deepEqual(errors, [], "the client met something that it did not expect");
  await client.close();
  console.log(`${name}: ok`);
}

const deadline = setTimeout(() => { console.error("60 s are over"); process.exit(1); }, 60_000);
const eventSourceInit = { fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...headers } }) };
await visit("sse", new SSEClientTransport(new URL(origin + "/sse"), { requestInit: { headers }, eventSourceInit }));
await visit("streamable", new StreamableHTTPClientTransport(new URL(origin + "/mcp"), { requestInit: { headers } }));
clearTimeout(deadline);

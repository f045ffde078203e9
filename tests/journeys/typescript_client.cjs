// Passes requests from standard input to an official TypeScript client, and its answers back.
// node typescript_client.cjs PACKAGE FOLDER_WITH_NODE_MODULES URL; the token is in INFRAGATE_TOKEN.
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const [name, folder, url] = process.argv.slice(2);
const load = createRequire(`${folder}/`);
// The first generation of the SDK, one package for clients and servers, has deep entry points.
const parts = name.endsWith("/sdk") ? ["/client/index.js", "/client/streamableHttp.js"] : [""];
const sdk = Object.assign({}, ...parts.map((part) => load(name + part)));

async function main() {
  const headers = { Authorization: `Bearer ${process.env.INFRAGATE_TOKEN}` };
  const transport = new sdk.StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = new sdk.Client(
    { name: "infragate-tests", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(transport);
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    try {
      const result = await client[method](params);
      console.log(JSON.stringify({ id, result }));
    } catch (error) {
      console.log(JSON.stringify({ id, error: String(error) }));
    }
  }
  await client.close();
}

main();

// Passes requests from standard input to the official TypeScript client, and its answers back.
// node typescript_client.cjs FOLDER_WITH_NODE_MODULES URL; the token is in INFRAGATE_TOKEN.
const { createRequire } = require("node:module");
const { createInterface } = require("node:readline");

const [folder, url] = process.argv.slice(2);
const sdk = createRequire(`${folder}/`);
const { Client } = sdk("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = sdk("@modelcontextprotocol/sdk/client/streamableHttp.js");

async function main() {
  const headers = { Authorization: `Bearer ${process.env.INFRAGATE_TOKEN}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = new Client({ name: "infragate-tests", version: "1" });
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

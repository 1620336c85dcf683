// A client that verifies with BoringSSL, writes one message with FIN, and reads its echo to the end.
//
// In the wild: what quiche does with a certificate, here by way of npm's @matrixai/quic.
// usage: boringssl_client.mjs NODE_MODULES PORT CA

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const MESSAGE = "Grüße, 日本語";

const [modules, port, ca] = process.argv.slice(2);
const { QUICClient } = await import(pathToFileURL(join(modules, "@matrixai/quic/dist/index.js")));

const randomBytes = async (data) => void webcrypto.getRandomValues(new Uint8Array(data));
const client = await QUICClient.createQUICClient({
  host: "127.0.0.1",
  port: Number(port),
  serverName: "localhost",
  crypto: { ops: { randomBytes } },
  config: {
    applicationProtos: ["echo"],
    ca: readFileSync(ca, "utf8"),
    maxIdleTimeout: 10_000,
    verifyPeer: true,
  },
});
console.log("connected");

const stream = client.connection.newStream();
const writer = stream.writable.getWriter();
await writer.write(new TextEncoder().encode(MESSAGE));
await writer.close();
const pieces = [];
for await (const piece of stream.readable) pieces.push(piece);
const echo = Buffer.concat(pieces).toString();
console.log(`echo: "${echo}"`);
await client.destroy({ force: true });
// Whatever else it has open must not keep it.
process.exit(echo === MESSAGE ? 0 : 1);

// Plays a device with an MLLP client of npm, and prints one JSON line for each event.
//
// usage: client.mjs PACKAGES CLIENT HOST PORT ROOTS CHAIN KEY MILLISECONDS FILE...
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { connect } from 'node:tls';

const [packages, client, host, port, roots, chain, key, timeout, ...files] = process.argv.slice(2);
const tls = { ca: readFileSync(roots), cert: readFileSync(chain), key: readFileSync(key) };
const texts = files.map((file) => readFileSync(file, 'utf8'));
const require = createRequire(join(packages, 'package.json'));
const print = (event) => console.log(JSON.stringify(event));
const late = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const clients = {
  // Waits for an acknowledgement with the MSA-2 of its message: the first one, or AA.
  async medplum() {
    const { Hl7Connection } = require('@medplum/hl7');
    const { Hl7Message } = require('@medplum/core');
    const socket = connect({ host, port: Number(port), ...tls });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const connection = new Hl7Connection(socket);
    connection.addEventListener('message', ({ message }) => print({ came: message.toString() }));
    connection.addEventListener('error', ({ error }) => print({ error: error.message }));
    for (const text of texts) {
      for (const returnAck of ['first', 'application']) {
        const sent = connection.sendAndWait(Hl7Message.parse(text), { returnAck, timeoutMs: Number(timeout) });
        const answer = await sent.catch((error) => ({ toString: () => `failed: ${error.message}` }));
        print({ waited: returnAck, answer: answer.toString() });
      }
    }
    await connection.close();
  },

  // Takes what comes after a message for its answer.
  async 'node-hl7-client'() {
    const { Client, Message } = require('node-hl7-client');
    const connection = new Client({ host, tls }).createConnection({ port: Number(port), waitAck: true }, (response) =>
      print({ answer: response.getMessage().toString() }),
    );
    connection.on('client.error', (error) => print({ error: error.message }));
    connection.on('error', (error) => print({ error: error.message }));
    for (const text of texts) {
      await connection.sendMessage(new Message({ text }));
      await late(Number(timeout));
    }
    await connection.close();
  },
};

await clients[client]();
process.exit(0);

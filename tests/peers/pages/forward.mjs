// Forwards a port of loopback to the socket of a platform, as `ssh -L` does, and prints the port.
//
//     node forward.mjs SOCKET
import { createConnection, createServer } from "node:net";

const server = createServer((client) => {
  const platform = createConnection(process.argv[2]);
  client.on("error", () => platform.destroy());
  platform.on("error", () => client.destroy());
  client.pipe(platform).pipe(client);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
// It ends with the test that started it.
process.stdin.on("end", () => process.exit(0)).resume();

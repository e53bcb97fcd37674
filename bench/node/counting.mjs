// Proxies before a server that count what is asked of it.
import { Agent, createServer as createHttpServer, request } from 'node:http';
import { connect, createServer } from 'node:net';

const OP_MSG = 2013;
/** What drivers ask by themselves, whatever their user does. */
const OWN = new Set(['hello', 'isMaster', 'ismaster', 'ping', 'buildInfo', 'endSessions', 'killCursors']);

/** The command of a message: the first name in its document. */
function commandOf(message) {
  if (message.readInt32LE(12) !== OP_MSG) return 'isMaster';
  // Header 16 bytes, flags 4, kind of the section 1, length of the document 4, type of the first element 1.
  return message.toString('latin1', 26, message.indexOf(0, 26));
}

/** Starts one before a MongoDB's port: its own port, `taken()` (how many requests since the last call), and how to end it. */
export async function countingProxy(port) {
  let count = 0;
  const sockets = new Set();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    upstream.pipe(client);
    let rest = Buffer.alloc(0);
    client.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
        const message = rest.subarray(0, rest.readInt32LE(0));
        if (!OWN.has(commandOf(message))) count += 1;
        rest = rest.subarray(message.length);
      }
      upstream.write(chunk);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    taken() {
      const taken = count;
      count = 0;
      return taken;
    },
    stop() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}

/** The same before a port where HTTP is spoken. */
export async function countingHttpProxy(port) {
  let count = 0;
  const agent = new Agent({ keepAlive: true });
  const server = createHttpServer((asked, answer) => {
    count += 1;
    const { method, url: path, headers } = asked;
    const passed = request({ host: '127.0.0.1', port, method, path, headers, agent }, (answered) => {
      answer.writeHead(answered.statusCode, answered.headers);
      answered.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    taken() {
      const taken = count;
      count = 0;
      return taken;
    },
    stop() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

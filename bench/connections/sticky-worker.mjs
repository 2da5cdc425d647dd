// A worker of `@socket.io/sticky`: its server listens nowhere, and gets its connections by message.

import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'

/** @type {string} A package that is not always here. */
const name = '@socket.io/sticky'
const { setupWorker } = await import(name)

const httpServer = createServer((_request, response) => response.end('hello'))
// Of Socket.IO it wants no more than the server, and an engine that tells of sessions.
setupWorker({ httpServer, engine: new EventEmitter() })
process.send?.('ready')

process.on('SIGTERM', () => process.exit())

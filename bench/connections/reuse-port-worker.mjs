// A worker that binds the port for itself, beside others that do: the kernel deals connections out. From Node 23.1 on.

import { createServer } from 'node:http'

const options = { port: Number(process.env.PORT), host: '127.0.0.1', reusePort: true }
createServer((_request, response) => response.end('hello')).listen(options)

process.on('SIGTERM', () => process.exit())

// What every candidate's workers run: a server that knows neither of Troupe nor of the measuring.

import { createServer } from 'node:http'

createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')

// A process that a signal kills writes no profile.
process.on('SIGTERM', () => process.exit())

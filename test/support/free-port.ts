import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that Linux gives to connections and to `listen(0)` (`ip_local_port_range`, 32 768 and up): one of those can
 * be taken by any client between the moment it was found free and the moment it is listened on.
 */
const FIRST = 20_000
const LAST = 29_999

// Processes that look at the same time begin at different places, and one process never names a port twice.
let next = FIRST + ((process.pid * 61) % (LAST - FIRST))

/** A port on which nobody listens, at no address, and which no other test is told. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next
    next = next === LAST ? FIRST : next + 1
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  // Without a host: the IPv6 wildcard, IPv4 included.
  const server = createServer().listen(port)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

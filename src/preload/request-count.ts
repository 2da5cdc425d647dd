import { subscribe } from 'node:diagnostics_channel'

/** HTTP/1 requests, and HTTP/2 streams where node tells of them (not on 20). */
const STARTS = ['http.server.request.start', 'http2.server.stream.start']

/** Counts the requests of this process from now on. Node makes no message while nobody asks for one, so only who needs it does. */
export function countRequests(): () => number {
  let count = 0
  for (const name of STARTS) {
    subscribe(name, () => {
      count++
    })
  }
  return () => count
}

/** What a client is told that no worker will answer, where the port speaks HTTP/1. Elsewhere the connection just ends. */

const response = (status: string, body: string, headers = ''): string =>
  `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`

/** Seconds after which a client that got a 503 may try again: a restart takes less. */
const RETRY_AFTER = 1

export const UNAVAILABLE = response(
  '503 Service Unavailable',
  'No worker was ready in time.\n',
  `Retry-After: ${RETRY_AFTER}\r\n`,
)
export const BAD_REQUEST = response('400 Bad Request', 'Expected a PROXY header.\n')
export const REQUEST_TIMEOUT = response('408 Request Timeout', 'The head of the request did not arrive in time.\n')
export const HEAD_TOO_LARGE = response('431 Request Header Fields Too Large', 'The head of the request is too large.\n')

import { once } from 'node:events'
import { type ConnectionOptions, connect } from 'node:tls'

export interface TlsClient {
  /** Who answered. */
  readonly pid: number
  /** What the server gave, for a later connection. */
  readonly session: Buffer
  readonly isResumed: boolean
  close(): void
}

/** A TLS connection over which one HTTP request has been answered; it stays open. */
export async function openTls(port: number, options: ConnectionOptions): Promise<TlsClient> {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  // With TLS 1.3 the tickets come after the handshake; each event brings what can be resumed.
  let session = Buffer.of()
  socket.on('session', (given) => {
    session = given
  })
  await once(socket, 'secureConnect')
  let answer = ''
  socket.setEncoding('latin1').on('data', (text) => {
    answer += text
  })
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  while (!answer.includes('\r\n\r\n')) await once(socket, 'data')
  const pid = Number(/^x-pid: (\d+)/im.exec(answer)?.[1])
  return { pid, session, isResumed: socket.isSessionReused(), close: () => socket.destroy() }
}

/** What the releases have in common: an HTTP server that says which of them it is. */
import { createServer } from 'node:http'

export function serve(release: string): void {
  const server = createServer((request, response) => {
    const answer = (): void => void response.end(`Release ${release}, process ${process.pid}\n`)
    if (request.url === '/slow') setTimeout(answer, 3_000)
    else answer()
  })
  server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1')
}

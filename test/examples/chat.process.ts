import { type ExampleProcess, startExample } from './example.process.js'

export interface ChatProcess extends ExampleProcess {
  readonly url: string
}

/** Starts the chat as `npm start` does, on a free port, and waits until it says where it is. */
export async function startChat(env: Record<string, string> = {}): Promise<ChatProcess> {
  const chat = spawnChat(env)
  try {
    const [, url] = await chat.printed(/Chat on (http:\/\/\S+)/)
    return { ...chat, url: url! }
  } catch (error) {
    await chat.stop()
    throw error
  }
}

/** The same without waiting, for starts that are to fail. */
export function spawnChat(env: Record<string, string>): ExampleProcess {
  return startExample('chat', { PORT: '0', HOST: '127.0.0.1', WORKERS: '3', ...env })
}

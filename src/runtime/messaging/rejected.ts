/**
 * Rejects when whoever gets it has had the time to look after it: node takes each promise that is rejected before for one that
 * nobody will ever look after, and keeps a record of it until the slow collector comes.
 */
export function rejected(error: unknown): Promise<never> {
  return DONE.then(() => {
    throw error
  })
}

const DONE = Promise.resolve()

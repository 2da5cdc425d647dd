import nodeCluster from 'node:cluster'
import type { ClusterOptions, PrimaryCluster, UntypedContract } from 'troupe'
import { expect } from 'vitest'
import { fixture, SOON, startCluster } from '../../support/processes.js'
import type { Commands, Question, Reply } from '../fixtures/frameworks/asked.js'

/*
 * The other end of fixtures/frameworks/asked.ts. Everything here is node:cluster's own, as a primary without Troupe has it.
 */
const questions = new Map<number, (reply: Reply) => void>()
const up = new Set<number>()
let lastQuestion = 0

nodeCluster.on('message', (worker, message: Reply | 'up') => {
  if (message === 'up') up.add(worker.process.pid!)
  else if (typeof message === 'object' && 'question' in message) questions.get(message.question)?.(message)
})

/** Two workers that do as they are told. */
export interface AskedCluster<C extends Commands> {
  readonly cluster: PrimaryCluster<UntypedContract>
  ask<K extends keyof C & string>(id: number, command: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>>
  /** The same of every worker, one after the other. */
  askAll<K extends keyof C & string>(command: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>[]>
}

export async function startAsked<C extends Commands>(
  name: string,
  options: ClusterOptions = {},
): Promise<AskedCluster<C>> {
  const cluster = await startCluster({
    exec: fixture(`frameworks/${name}`),
    workers: 2,
    // They listen when they are told to.
    ready: 'online',
    ...options,
  })
  await expect.poll(() => [...cluster.workers.values()].every(({ pid }) => up.has(pid)), SOON).toBe(true)

  const ask: AskedCluster<C>['ask'] = (id, command, ...args) =>
    new Promise((resolve, reject) => {
      const question: Question = { question: ++lastQuestion, command, args }
      questions.set(question.question, (reply) => {
        questions.delete(question.question)
        if ('failure' in reply) reject(Object.assign(new Error(), reply.failure))
        else resolve(reply.value as never)
      })
      nodeWorker(cluster, id).send(question)
    })
  return {
    cluster,
    ask,
    async askAll(command, ...args) {
      const answers = []
      for (const id of cluster.workers.keys()) answers.push(await ask(id, command, ...args))
      return answers
    },
  }
}

/** Node's object for the process that is this worker now. */
export function nodeWorker({ workers }: PrimaryCluster<UntypedContract>, id: number) {
  const pid = workers.get(id)?.pid
  const worker = Object.values(nodeCluster.workers ?? {}).find((candidate) => candidate?.process.pid === pid)
  if (!worker) throw new Error(`worker ${id} has no process`)
  return worker
}

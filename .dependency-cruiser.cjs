// The layers of src/, as a program can check them. Imports go down only:
//
//   index.ts, preload/, testing/   entry points
//   runtime/primary.ts, worker.ts  composition roots; create-cluster.ts, join-cluster.ts call them with the real ports
//   runtime/<part>/                messaging, supervision, connections, placement, evidence, transports
//   protocol/                      pure
//
// An `import type` counts like any other import: a type that points upward is a dependency too. Only a slow module of node may be
// imported for its types.
// test/architecture/layers.test.ts breaks every rule once; a rule without such an example fails there.

const entryPoints = '^src/(index\\.ts$|preload/|testing/)'
const roots = '^src/runtime/(primary|worker|create-cluster|join-cluster)\\.ts$'

/** Core modules are reported with or without their `node:` prefix. */
const core = (names) => `^(node:)?(${names})$`

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Files that import each other can only be read, changed and tested together.',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'protocol-is-pure',
      comment: 'The wire is data: no Node modules, nothing of the runtime, no package.',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { pathNot: '^src/protocol/' },
    },
    {
      name: 'parts-below-roots',
      comment:
        'A part gets what it needs from the root that makes it; it never reaches for the root or an entry point.',
      severity: 'error',
      from: { path: '^src/runtime/', pathNot: roots },
      to: { path: [roots, entryPoints] },
    },
    {
      name: 'nothing-imports-index',
      comment: 'index.ts is the public surface. Inside, import the file that has the thing.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'parts-do-not-know-each-other',
      comment: 'Messaging, supervision and connections meet in a root, which tells one what another reported.',
      severity: 'error',
      from: { path: '^src/runtime/(messaging|supervision|connections)/' },
      to: { path: '^src/runtime/(messaging|supervision|connections)/', pathNot: '^src/runtime/$1/' },
    },
    {
      name: 'placement-is-pure',
      comment: 'Pickers are functions of their inputs, shared by calls and connections: only protocol is below them.',
      severity: 'error',
      from: { path: '^src/runtime/placement/' },
      to: { pathNot: ['^src/runtime/placement/', '^src/protocol/'] },
    },
    {
      name: 'sole-importers-of-cluster',
      comment: 'Processes are started in one place, so that all else runs against a fake launcher.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/runtime/supervision/launcher\\.ts$', '^src/preload/'] },
      to: { path: core('cluster') },
    },
    {
      name: 'sole-importers-of-network',
      comment:
        'Sockets are the business of connections and of the replaced listen path; an inspector is asked over one too.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: ['^src/runtime/connections/', '^src/preload/', '^src/runtime/evidence/read-stack\\.ts$'],
      },
      to: { path: core('net|http|https|http2|tls') },
    },
    {
      name: 'slow-builtins-on-demand',
      comment:
        'A module of node that is imported is read whole, which loads what it has lazily: with `http` a web client (14 ms from Node 22 on), with `crypto` WebCrypto (4 ms). Who needs one takes it by `process.getBuiltinModule`.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: core('http|https|http2|crypto'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'library-stands-alone',
      comment: 'What is shipped does not import what is not.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|examples|bench|scripts)/' },
    },
    {
      name: 'no-development-dependencies',
      comment: 'A user has only what `dependencies` and `peerDependencies` name, for the declarations too.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'every-import-resolves',
      comment: 'An import that leads nowhere would slip past all the rules above.',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Type-only imports vanish in the compiled code; this reads the source as written.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types', 'typings'],
    },
  },
}

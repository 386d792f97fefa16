// The reference: every call of the server's own document, explained, written out in four languages, and tried in place.

import {signal} from '@preact/signals'
import {useEffect} from 'preact/hooks'
import {identities} from '../lib/identity'
import {make} from '../lib/server'
import {IdentityChoice} from '../ui/identity'
import {Empty} from '../ui/parts'
import {operationsOf, type Document, type Operation} from './document'
import {Integrate} from './integrate'
import {OperationView} from './operation'

const document = signal<Document | undefined>(undefined)
const problem = signal('')
const who = signal('')
const filter = signal('')

async function load(): Promise<void> {
  try {
    document.value = (await make({method: 'GET', path: '/openapi.json'})).body as Document
  } catch {
    problem.value = 'The document could not be had.'
  }
}

export function Reference({rest}: {rest: string[]}) {
  useEffect(() => {
    if (!document.value) void load()
  }, [])
  const known = document.value
  const [id = 'integrate'] = rest
  if (!known) return <Empty>{problem.value || 'Loading …'}</Empty>
  const all = operationsOf(known)
  const current = all.find((one) => one.id === id)
  const key = who.value || (identities.value[0]?.key ?? '')
  return (
    <>
      <div class="view-head">
        <h1>Reference</h1>
        <p class="lead">
          Every call of version {known.info.version}, from <a href="./openapi.json">openapi.json</a>.
        </p>
        <div class="sub who">
          <IdentityChoice label="Call as" value={key} onValue={(value) => (who.value = value)} />
        </div>
      </div>
      <div class="reference">
        <Index document={known} operations={all} current={id} />
        {current ? <OperationView key={current.id} document={known} operation={current} who={key} /> : <Integrate who={key} />}
      </div>
    </>
  )
}

function Index({document, operations, current}: {document: Document; operations: Operation[]; current: string}) {
  const word = filter.value.toLowerCase()
  const matches = (one: Operation) => `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(word)
  return (
    <nav class="card index" aria-label="Calls">
      <input
        type="search"
        aria-label="Find a call"
        placeholder="Find a call"
        value={filter.value}
        onInput={(event) => (filter.value = event.currentTarget.value)}
      />
      <div class="groups">
        <section>
          <a href="#/reference/integrate" aria-current={current === 'integrate' ? 'page' : undefined}>
            In your application
          </a>
        </section>
        {document.tags.map(({name}) => {
          const own = operations.filter((one) => one.tag === name && matches(one))
          if (own.length === 0) return null
          return (
            <section key={name}>
              <h2>{name}</h2>
              {own.map((one) => (
                <a
                  key={one.id}
                  href={`#/reference/${one.id}`}
                  aria-current={one.id === current ? 'page' : undefined}
                  title={one.summary}
                >
                  <Method operation={one} />
                  <span class="mono">
                    {one.path.split('/').map((part, nth) => (nth === 0 ? part : [<wbr key={nth} />, `/${part}`]))}
                  </span>
                </a>
              ))}
            </section>
          )
        })}
      </div>
    </nav>
  )
}

export function Method({operation}: {operation: Operation}) {
  const word = operation.stream ? 'stream' : operation.method
  return <span class={`method ${word.toLowerCase()}`}>{word}</span>
}

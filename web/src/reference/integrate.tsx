// How to follow streams from an application: sections of docs/integrating.md.

import {useState} from 'preact/hooks'
import guide from '../../../docs/integrating.md?raw'
import {identity} from '../lib/identity'
import {snippet} from '../lib/snippets'
import {Code, Segments} from '../ui/parts'

interface Section {
  title: string
  parts: {code: boolean; text: string}[]
}

/** The sections that are shown, in this order; the first one is the module that the others use. */
const WANTED = ['Plain JavaScript', 'React', 'Vue', 'Angular', 'Node', 'Python', 'Go', 'Java', 'Kotlin']

const sections = read(guide).filter(({title}) => WANTED.some((wanted) => title.startsWith(wanted)))

export function Integrate({who}: {who: string}) {
  const [title, setTitle] = useState(sections[0]?.title ?? '')
  const section = sections.find((one) => one.title === title)
  return (
    <article class="operation" aria-label="In your application">
      <div class="card">
        <h2>In your application</h2>
        <p class="prose">
          Listen by name: every event has one, so <code>onmessage</code> never fires. Remember the last id and come back with
          it. Load your state at the first <code>connected</code> and at each <code>reset</code>. An ending says whether to come
          back.
        </p>
        <Code
          label="The shortest client"
          text={snippet('JavaScript', {method: 'GET', path: '/notifications/stream', token: identity(who).token, stream: true})}
        />
      </div>
      <div class="card">
        <Segments label="Where" value={title} options={sections.map((one) => ({value: one.title, label: one.title}))} onValue={setTitle} />
        {section?.parts.map(({code, text}, nth) =>
          code ? (
            <Code key={`${title}${nth}`} text={text} label={`${title}, part ${nth + 1}`} />
          ) : (
            <p key={`${title}${nth}`} class="prose">
              {text.split('`').map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}
            </p>
          ),
        )}
      </div>
    </article>
  )
}

/** Splits a Markdown document into sections. Supports only paragraphs and fenced code. */
function read(markdown: string): Section[] {
  return markdown
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [title = '', ...lines] = section.split('\n')
      const pieces = lines.join('\n').split(/^```.*$/m)
      const parts = pieces.flatMap((piece, nth) =>
        nth % 2 === 1
          ? [{code: true, text: piece.trim()}]
          : piece
              .split(/\n{2,}/)
              .map((text) => text.trim())
              .filter((text) => text && !text.startsWith('|'))
              .map((text) => ({code: /^ {4}/.test(text), text: unlinked(text)})),
      )
      return {title, parts}
    })
}

/** Removes links, because they lead to other files of the repository. */
function unlinked(text: string): string {
  return text.replace(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('**', '').replaceAll('\n', ' ')
}

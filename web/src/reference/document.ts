// Reads the OpenAPI document for the view *Reference*: operations by tag, resolved schemas, an example of each body.
//
// Supports only the part of OpenAPI 3.1 that the server uses.

export interface Schema {
  $ref?: string
  type?: string | string[]
  description?: string
  format?: string
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  enum?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: Schema | boolean
  oneOf?: Schema[]
  allOf?: Schema[]
  example?: unknown
}

interface Media {
  schema?: Schema
  example?: unknown
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  description?: string
  required?: boolean
  schema?: Schema
  example?: unknown
}

export interface Operation {
  id: string
  method: string
  path: string
  summary: string
  description?: string
  tag: string
  parameters: Parameter[]
  body?: Media & {description?: string}
  answers: {status: string; description: string; media?: string; schema?: Schema}[]
  needs: 'nothing' | 'a token, or none' | 'a token' | 'the role admin'
  stream: boolean
}

interface Raw {
  summary?: string
  description?: string
  operationId?: string
  tags?: string[]
  parameters?: Parameter[]
  requestBody?: {description?: string; content: Record<string, Media>}
  responses: Record<string, {description: string; content?: Record<string, Media>}>
  security?: Record<string, string[]>[]
}

export interface Document {
  info: {version: string}
  tags: {name: string; description?: string}[]
  paths: Record<string, Record<string, Raw>>
  components: {schemas: Record<string, Schema>}
}

export function operationsOf(document: Document): Operation[] {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, raw]) => operation(method.toUpperCase(), path, raw)),
  )
  const order = document.tags.map(({name}) => name)
  // Within a tag, streams come first, because most readers look for them.
  return all.sort((a, b) => order.indexOf(a.tag) - order.indexOf(b.tag) || Number(b.stream) - Number(a.stream))
}

function operation(method: string, path: string, raw: Raw): Operation {
  const body = raw.requestBody
  const media = body && Object.values(body.content)[0]
  const answers = Object.entries(raw.responses).map(([status, {description, content}]) => {
    const [type, first] = Object.entries(content ?? {})[0] ?? []
    return {status, description, ...(type ? {media: type} : {}), ...(first?.schema ? {schema: first.schema} : {})}
  })
  return {
    id: raw.operationId ?? `${method} ${path}`,
    method,
    path,
    summary: raw.summary ?? path,
    ...(raw.description ? {description: raw.description} : {}),
    tag: raw.tags?.[0] ?? '',
    parameters: raw.parameters ?? [],
    ...(media ? {body: {...media, ...(body.description ? {description: body.description} : {})}} : {}),
    answers,
    needs: needsOf(raw.security ?? []),
    stream: answers.some(({status, media: type}) => status === '200' && type === 'text/event-stream'),
  }
}

function needsOf(security: Record<string, string[]>[]): Operation['needs'] {
  if (security.length === 0) return 'nothing'
  if (security.some((one) => Object.keys(one).length === 0)) return 'a token, or none'
  return security.some((one) => one['bearer']?.includes('admin')) ? 'the role admin' : 'a token'
}

/** Resolves a reference to its schema. */
export function resolve(document: Document, schema: Schema | undefined): Schema {
  const name = schema?.$ref?.split('/').at(-1)
  if (name) return resolve(document, document.components.schemas[name])
  // "This or null" is the form of an optional field.
  const one = schema?.oneOf?.find((option) => option.type !== 'null')
  if (one) return {...resolve(document, one), ...(schema?.description ? {description: schema.description} : {})}
  return schema ?? {}
}

/** Describes the type of a value in a few words: `string`, `array of object`, `info | success`. */
export function kindOf(document: Document, schema: Schema | undefined): string {
  const whole = resolve(document, schema)
  if (whole.enum) return whole.enum.map(String).join(' | ')
  if (whole.items) return `array of ${kindOf(document, whole.items)}`
  const types = [whole.type ?? []].flat().filter((type) => type !== 'null')
  if (types[0] === 'object' && typeof whole.additionalProperties === 'object') {
    return `object of ${kindOf(document, whole.additionalProperties)}`
  }
  return types.join(' or ') || 'anything'
}

/** Describes the other constraints of a value. */
export function limitsOf(document: Document, schema: Schema | undefined): string {
  const {minLength, maxLength, minimum, maximum, pattern, format} = resolve(document, schema)
  const length = maxLength !== undefined ? `${minLength ?? 0}–${maxLength.toLocaleString('en-US')} characters` : ''
  const range = maximum !== undefined ? `${minimum ?? 0}–${maximum.toLocaleString('en-US')}` : ''
  return [length, range, pattern ?? '', format === 'date-time' ? 'RFC 3339' : ''].filter(Boolean).join(', ')
}

/** Returns an example of a body. */
export function exampleOf(document: Document, media: Media): string {
  const example = media.example ?? resolve(document, media.schema).example
  return JSON.stringify(example ?? {}, null, 2)
}

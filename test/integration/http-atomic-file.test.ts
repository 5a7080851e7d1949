import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { renameDurably, sweepTemporaries, syncDirectory, temporaryPath, writeFileAtomic } from '../../ts/runtime/atomic-file.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atomic-file-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('a file is written, replaced, and nothing is left beside it', async () => {
  const target = join(directory, 'deep', 'er', 'state.json')
  await writeFileAtomic(target, 'one')
  await writeFileAtomic(target, Buffer.from('two'), { mode: 0o600 })
  expect(await readFile(target, 'utf8')).toBe('two')
  expect((await stat(target)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(directory, 'deep', 'er'))).toEqual(['state.json'])
})

test('when it fails the old file stays, and nothing is left beside it', async () => {
  const target = join(directory, 'state.json')
  await mkdir(target)
  await writeFile(join(target, 'inside'), 'x')
  await expect(writeFileAtomic(target, 'new')).rejects.toThrow()
  expect(await readdir(directory)).toEqual(['state.json'])
})

test('readers see the old or the new file, never a part', async () => {
  const target = join(directory, 'state.json')
  const texts = ['a', 'b'].map((char) => char.repeat(300_000))
  await writeFileAtomic(target, texts[0]!)
  let writing = true
  const writer = (async () => {
    for (let i = 0; i < 30; i++) await writeFileAtomic(target, texts[i % 2]!)
    writing = false
  })()
  let reads = 0
  while (writing) {
    expect(texts).toContain(await readFile(target, 'utf8'))
    reads++
  }
  await writer
  expect(reads).toBeGreaterThan(0)
})

test('a temporary is no match for a glob of targets', () => {
  const temporary = temporaryPath(join(directory, 'x.parquet'))
  expect(temporary.startsWith(join(directory, '.x.parquet.tmp-'))).toBe(true)
  expect(temporary.endsWith('.parquet')).toBe(false)
  expect(temporaryPath('/a/b')).not.toBe(temporaryPath('/a/b'))
})

test('leftovers of dead processes are swept, those of the living and other files are not', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const names = [
    `.a.csv.tmp-${dead}-0123456789ab`,
    `.b.csv.tmp-${process.pid}-0123456789ab`,
    '.hidden',
    'a.csv',
    `.c.tmp-${dead}-short`,
  ]
  for (const name of names) await writeFile(join(directory, name), '')
  expect(await sweepTemporaries(directory)).toEqual([names[0]])
  expect((await readdir(directory)).sort()).toEqual(names.slice(1).sort())
  expect(await sweepTemporaries(join(directory, 'not-there'))).toEqual([])
})

test('a rename is followed by a sync of the directory', async () => {
  await writeFile(join(directory, 'a'), '1')
  await renameDurably(join(directory, 'a'), join(directory, 'b'))
  expect(await readdir(directory)).toEqual(['b'])
  await syncDirectory(directory)
  await expect(syncDirectory(join(directory, 'not-there'))).rejects.toThrow(/ENOENT/)
})

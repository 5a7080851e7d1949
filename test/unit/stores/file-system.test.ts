import { describe, expect, it } from 'vitest'
import { mountTypeOf, networkFileSystem } from '../../../ts/stores/sqlite/file-system.ts'

const MOUNTS = [
  '22 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '30 22 0:40 / /mnt/share rw - fuse.sshfs host:/data rw',
  '31 22 0:41 / /mnt/share/inner rw shared:1 master:2 - fuseblk /dev/sdb rw',
  '32 22 0:42 / /mnt/with\\040blank rw - nfs4 host:/x rw',
  'garbage',
  '',
].join('\n')

describe('networkFileSystem', () => {
  const never = (): string => {
    throw new Error('must not be asked')
  }

  it('knows network disks by their number, also when it came as a negative one', () => {
    expect(networkFileSystem(0x6969, never)).toBe('NFS')
    expect(networkFileSystem(0xfe534d42, never)).toBe('SMB')
    expect(networkFileSystem(0xff534d42 | 0, never)).toBe('CIFS')
    expect(networkFileSystem(0x00c36400, never)).toBe('Ceph')
  })

  it('takes local disks', () => {
    for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) expect(networkFileSystem(type, never)).toBeNull()
  })

  it('tells file systems in user space apart by their mount', () => {
    expect(networkFileSystem(0x65735546, () => 'fuse.sshfs')).toBe('fuse.sshfs')
    expect(networkFileSystem(0x65735546, () => 'fuse.gcsfuse')).toBe('fuse.gcsfuse')
    expect(networkFileSystem(0x65735546, () => 'fuseblk')).toBeNull()
    expect(networkFileSystem(0x65735546, () => 'fuse.mergerfs')).toBeNull()
    expect(networkFileSystem(0x65735546, () => null)).toBeNull()
  })
})

describe('mountTypeOf', () => {
  it('takes the longest mount point that holds the path', () => {
    expect(mountTypeOf('/home/x', MOUNTS)).toBe('ext4')
    expect(mountTypeOf('/mnt/share', MOUNTS)).toBe('fuse.sshfs')
    expect(mountTypeOf('/mnt/share/a/b', MOUNTS)).toBe('fuse.sshfs')
    expect(mountTypeOf('/mnt/shared', MOUNTS)).toBe('ext4')
    expect(mountTypeOf('/mnt/share/inner/x', MOUNTS)).toBe('fuseblk')
    expect(mountTypeOf('/mnt/with blank/x', MOUNTS)).toBe('nfs4')
    expect(mountTypeOf('/x', '')).toBeNull()
  })
})

/** Refuses disks that other hosts share: the write-ahead log lives in memory shared between processes of one host. */
import { readFileSync, statfsSync } from 'node:fs'
import { EngineError } from '../../model/errors.ts'

/** `f_type` of statfs(2) on Linux. */
const NETWORK_TYPES: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB',
  22092: 'NCP',
  1397113167: 'AFS',
  1799439955: 'AFS',
  1937076805: 'Coda',
  12805120: 'Ceph',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  18225520: 'GFS2',
  1952539503: 'OCFS2',
  428016422: 'BeeGFS',
}
const FUSE = 0x65735546

/** File systems in user space that reach over the network; others (NTFS, mergerfs, overlays) are local. */
const NETWORK_FUSE =
  /^fuse\.(sshfs|s3fs|s3fs-fuse|gcsfuse|goofys|mount-s3|blobfuse2?|rclone|glusterfs|ceph-fuse|ceph|juicefs|JuiceFS|davfs2?|curlftpfs|cifs|smbnetfs|nfs.*|cvmfs.*|moosefs|mfs.*|seaweedfs|weed|afp.*)$/

/** The name of the network file system, or null. `mountType` is asked for only where the number is not enough. */
export function networkFileSystem(type: number, mountType: () => string | null): string | null {
  const known = NETWORK_TYPES[type >>> 0]
  if (known !== undefined) return known
  if (type >>> 0 !== FUSE) return null
  const mount = mountType()
  return mount !== null && NETWORK_FUSE.test(mount) ? mount : null
}

/** Type of the mount that holds a path, from `/proc/self/mountinfo`: the longest mount point that is a prefix wins. */
export function mountTypeOf(path: string, mountInfo: string): string | null {
  let best: { point: string; type: string } | null = null
  for (const line of mountInfo.split('\n')) {
    const fields = line.split(' ')
    const separator = fields.indexOf('-')
    // Blanks in mount points are written as octal escapes.
    const point = fields[4]?.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const type = fields[separator + 1]
    if (separator < 0 || point === undefined || type === undefined) continue
    const holds = path === point || path.startsWith(point === '/' ? '/' : `${point}/`)
    if (holds && point.length >= (best?.point.length ?? 0)) best = { point, type }
  }
  return best?.type ?? null
}

/** Throws `store_network_fs` when the directory is on such a disk. Only Linux tells; elsewhere nothing is checked. */
export function refuseNetworkFileSystem(
  directory: string,
  statType: (path: string) => number = (path) => statfsSync(path).type,
): void {
  if (process.platform !== 'linux') return
  const name = networkFileSystem(statType(directory), () => {
    try {
      return mountTypeOf(directory, readFileSync('/proc/self/mountinfo', 'utf8'))
    } catch {
      return null
    }
  })
  if (name === null) return
  throw new EngineError(
    'configuration',
    'store_network_fs',
    `${directory} is on a network file system (${name}), where the state file could be corrupted`,
    {
      hint: 'Set state.path (or --state) to a directory on a local disk.',
    },
  )
}

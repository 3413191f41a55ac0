#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verify.py DIR [--head FILE]: check a tickmark data directory (SQLite) without
tickmark, from doc/spec/ledger.md. FILE is a head saved earlier, kept elsewhere.
Exit status 0: everything verifies; 1: damage, named line by line; 2: usage.
Standard library only. Pages are rebuilt (in memory) where a zstd program or
Python's compression.zstd is present; without it the SHA-256 digests in the
ledger still cover every byte of the packs."""
import base64, datetime, hashlib, json, os, re, shutil, sqlite3, struct, subprocess, sys

DAMAGE = []
def damage(where, what):
    DAMAGE.append(where)
    if len(DAMAGE) <= 200:
        print(f"DAMAGE {where}: {what}")

sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()

# --- Ed25519 (RFC 8032), verification only
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BY = 4 * pow(5, P - 2, P) % P

def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x

BASE = (recover_x(BY, 0), BY, 1, recover_x(BY, 0) * BY % P)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def mul(n, p):
    q = (0, 1, 1, 0)
    for bit in bin(n)[:1:-1]:
        q = add(q, p) if bit == "1" else q
        p = add(p, p)
    return q

def point(b):
    n = int.from_bytes(b, "little")
    y = n & (2**255 - 1)
    x = recover_x(y, n >> 255)
    return None if x is None else (x, y, 1, x * y % P)

def ed25519_ok(public, message, signature):
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or len(signature) != 64:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    (x1, y1, z1, _), (x2, y2, z2, _) = mul(s, BASE), add(r, mul(h, a))
    return (x1 * z2 - x2 * z1) % P == 0 and (y1 * z2 - y2 * z1) % P == 0

# --- signed notes and heads
def open_head(note, vkey):
    """Return (origin, size, root) of a signed head, or raise ValueError."""
    text, mark, signatures = note.decode().rpartition("\n\n")
    if not mark:
        raise ValueError("is not a signed note")
    text += "\n"
    name, hash_, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    if key[0] != 1 or sha(name.encode() + b"\n" + key)[:4].hex() != hash_:
        raise ValueError("the verifier key is not an Ed25519 key of its name")
    for line in signatures.splitlines():
        dash, signer, value = (line.split(" ") + ["", ""])[:3]
        value = base64.b64decode(value, validate=True)
        if dash == "\u2014" and signer == name and value[:4].hex() == hash_:
            if not ed25519_ok(key[1:], text.encode(), value[4:]):
                raise ValueError("its signature is wrong")
            lines = text.split("\n")
            if len(lines) != 4 or lines[0] != name or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
                raise ValueError("it is not a head of this log")
            return lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    raise ValueError("the key of this ledger did not sign it")

# --- the log
LEAF = re.compile(rb'\{"seq":(0|[1-9][0-9]*),"kind":"([a-z]{1,32})","recordedAt":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","body":(.*)\}', re.S)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

def micros(text):
    t = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc) - EPOCH
    return (t.days * 86400 + t.seconds) * 1000000 + t.microseconds

class Tree:
    def __init__(self):
        self.size, self.edge = 0, []

    def add(self, h):
        nodes, n = [h], self.size
        while n & 1:
            h, n = sha(b"\x01", self.edge.pop(), h), n >> 1
            nodes.append(h)
        self.edge.append(h)
        self.size += 1
        return b"".join(nodes)

    def root(self):
        h = self.edge[-1] if self.edge else sha()
        for e in self.edge[-2::-1]:
            h = sha(b"\x01", e, h)
        return h

def read_log(db, org, saved_size):
    tree, leaves, last, at_saved = Tree(), {}, "", sha() if saved_size == 0 else None
    for seq, kind, raw, nodes in db.execute("SELECT seq, kind, body, nodes FROM leaves WHERE org=? ORDER BY seq", (org,)):
        where = f"leaf {seq}"
        if seq != tree.size:
            damage(where, f"expected leaf {tree.size}: leaves are missing, doubled or out of order")
        want = tree.size
        if tree.add(sha(b"\x00", raw)) != nodes:
            damage(where, "its bytes do not give the tree nodes stored beside it")
        if tree.size == saved_size:
            at_saved = tree.root()
        m = LEAF.fullmatch(raw)
        at = m[3].decode() if m else last
        if not m or int(m[1]) != want or m[2].decode() != kind or at < last:
            damage(where, "its form, number, kind or instant does not fit its place")
        last = at
        try:
            leaves[seq] = kind, micros(at), json.loads(m[4])
        except (ValueError, TypeError) as e:
            damage(where, f"body: {e}")
    return tree, leaves, at_saved

# --- packs
def zstd():
    try:
        from compression import zstd as z  # Python 3.14 or later
        return z.decompress
    except ImportError:
        exe = shutil.which("zstd")
        if not exe:
            return None
        return lambda b: subprocess.run([exe, "-dcq"], input=b, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout

def read_packs(db, org, root, leaves, blobs, unpack):
    """Check every byte up to the last block; return the atoms by digest."""
    atoms, block, pack, end, n = {}, 0, 0, 0, 0
    for seq, (kind, _, body) in sorted(leaves.items()):
        if kind != "blocks":
            continue
        for b in body["blocks"]:
            n += 1
            where = f"packs/{b['pack']:06d}.pack, block {b['block']}"
            name = os.path.join(root, "packs", f"{b['pack']:06d}.pack")
            if (b["block"], b["pack"], b["offset"]) not in ((block + 1, pack, end), (block + 1, pack + 1, 24)):
                damage(where, "does not follow the block before it")
            if b["pack"] != pack:
                if pack and os.path.exists(last) and os.path.getsize(last) != end:
                    damage(last, "bytes after its last block")
                with open(name, "rb") if os.path.exists(name) else open(os.devnull, "rb") as f:
                    if f.read(24) != b"tickmark pack 1\n" + struct.pack(">Q", b["pack"]):
                        damage(where, "the pack does not begin like this pack")
            block, pack, end, last = b["block"], b["pack"], b["offset"] + b["length"], name
            row = db.execute("SELECT batch, pack, off, len, atoms, digest FROM blocks WHERE org=? AND block=?", (org, block)).fetchone()
            if row != (body["batch"], pack, b["offset"], b["length"], b["atoms"], bytes.fromhex(b["digest"])):
                damage(f"blocks, block {block}", "the row is gone or differs from its leaf")
            with open(name, "rb") if os.path.exists(name) else open(os.devnull, "rb") as f:
                f.seek(b["offset"])
                raw = f.read(b["length"])
            if sha(raw).hex() != b["digest"]:
                damage(where, "its bytes do not have the digest in the ledger")
                continue
            count, size, payload = struct.unpack(">III", raw[4:16])
            if raw[:4] != b"tmb1" or count != b["atoms"] or 16 + 36 * count + payload != len(raw):
                damage(where, "its lengths do not fit together")
                continue
            plain, at = unpack(raw[16 + 36 * count:]) if unpack else None, 0
            for i in range(count):
                entry = raw[16 + 36 * i: 52 + 36 * i]
                digest, length = entry[:32], struct.unpack(">I", entry[32:])[0]
                atoms[digest] = block, i
                if plain is not None:
                    blobs[digest], at = plain[at:at + length], at + length
                    if sha(blobs[digest]) != digest:
                        damage(where, f"atom {i} does not have its digest")
    for digest, b, pos in db.execute("SELECT digest, block, pos FROM atoms WHERE org=?", (org,)):
        if b <= block and atoms.get(digest) != (b, pos):
            damage(f"atoms, {digest.hex()}", "the row differs from the list in the block")
    for table, want in ("atoms", len(atoms)), ("blocks", n):
        if db.execute(f"SELECT COUNT(*) FROM {table} WHERE org=? AND block<=?", (org, block)).fetchone()[0] != want:
            damage(table, f"has another number of rows than {want}")
    return block, pack, end

def uvarint(b, at):
    if b[at] < 128:
        return b[at], at + 1
    v, end = uvarint(b, at + 1)
    return b[at] & 127 | v << 7, end

def manifest(blobs, digest):
    """Return the pages of a manifest and the digests of each page's items."""
    head, _, ops = blobs[bytes.fromhex(digest)].partition(b"\n")
    m, lists, at = json.loads(head), [], 0
    old, old_lists = manifest(blobs, m["base"]) if m["base"] else ([], [])
    base, pages = [d for page in old_lists for d in page], [{**old[p["like"]], **p} if "like" in p else p for p in m["pages"]]
    for page in pages:
        items, end = [], at + page["ops"]
        while at < end:
            op, (n, at) = ops[at], uvarint(ops, at + 1)
            if op == 0:
                count, at = uvarint(ops, at)
                items += base[n:n + count]
            else:
                items += [ops[at + 32 * i: at + 32 * i + 32] for i in range(n)]
                at += 32 * n
        lists.append(items)
    for c in m.get("copies", ()):
        pages[c["at"]:c["at"]], lists[c["at"]:c["at"]] = old[c["from"]:c["from"] + c["n"]], old_lists[c["from"]:c["from"] + c["n"]]
    return pages, lists

def rebuild(blobs, page, items):
    envelope = b"".join(blobs[bytes.fromhex(d)] for d in page["envelope"])
    spans, at = [], 0
    for length in page["spans"]:
        spans.append(envelope[at:at + length])
        at += length
    gaps = [spans[span] for span, times in page["runs"] for _ in range(times)]
    return b"".join(b for i, gap in enumerate(gaps) for b in (gap, blobs[items[i]] if i < len(items) else b""))

# --- the tables
put = lambda n: bytes([n & 127 | 128]) + put(n >> 7) if n > 127 else bytes([n])
text = lambda b: put(len(b)) + b

def scope_of(resource):
    m = re.match(rb"/subscriptions/([0-9A-Za-z._-]{1,64})(/|\Z)", resource, re.I)
    return m[1].lower() if m else b"tenant"

def check_history(db, org, snaps, staged):
    """Recompute every batch's transitions and counts from the rows."""
    form = {b: [hashlib.sha256(b"tickmark transitions 1\n"), 0] for b in snaps}
    scope, deltas = {}, {b: {} for b in snaps}

    def known(table, batch):
        if batch not in snaps and not (staged and batch > len(snaps)):
            damage(table, f"a row belongs to batch {batch}, which does not exist")
        return batch in snaps

    for table, tag, extra in (("reasons", b"q", "NULL"), ("checks", b"c", "NULL"), ("resources", b"r", "type")):
        for i, batch, name, typ in db.execute(f"SELECT id, batch, name, {extra} FROM {table} WHERE org=? ORDER BY id", (org,)):
            if known(table, batch):
                form[batch][0].update(tag + put(i) + text(name) + (text(typ) if extra == "type" else b""))
                if extra == "type":
                    scope[i] = scope_of(name)

    def vanish(row):
        if row and row[3] in snaps:
            form[row[3]][0].update(b"V" + put(row[0]) + put(row[1]))
            form[row[3]][1] += 1

    last = None
    for row in db.execute("SELECT resource_id, check_id, known_from, known_to, verdict, reason_id, valid_from, valid_to FROM intervals WHERE org=? ORDER BY resource_id, check_id, known_from", (org,)):
        res, chk, start, end, verdict, reason, valid_from, valid_to = row
        where = f"intervals, resource {res}, check {chk}, known from {start}"
        if not known("intervals", start):
            continue
        if end is not None and staged and end > len(snaps):
            end = valid_to = None
            row = row[:3] + (None,) + row[4:]
        if min(res, chk) < 1 or reason < 0 or verdict not in range(5) or valid_from != snaps[start][1] or (end is None) != (valid_to is None):
            damage(where, "its columns do not fit its snapshot")
        if end is not None and known("intervals", end) and (end <= start or valid_to != snaps[end][1]):
            damage(where, "valid_to is not when the ending snapshot was observed")
        same = last and last[:2] == row[:2]
        if same and (last[3] is None or last[3] > start):
            damage(where, "overlaps the one before it")
        if not (change := same and last[3] == start):
            vanish(last)
        if min(res, chk, reason, verdict) >= 0:
            form[start][0].update((b"C" if change else b"A") + put(res) + put(chk) + bytes([verdict & 255]) + put(reason))
        form[start][1] += 1
        for batch, n in ((start, 1), (end, -1)):
            if batch in snaps:
                tally = deltas[batch].setdefault((chk, scope.get(res, b"tenant")), [0] * 5)
                tally[(2, 1, 0, 4, 3)[verdict] if verdict in range(5) else 0] += n
        last = row
    vanish(last)
    running = {}
    for batch in sorted(snaps):
        body, results = snaps[batch][2], snaps[batch][3]
        where = f"snapshot {body['id']}"
        if form[batch][0].hexdigest() != results["transitions"] or form[batch][1] != results["count"]:
            damage(f"intervals or dictionaries, {where}", "the rows do not give the transitions in the ledger")
        for key, tally in deltas[batch].items():
            running[key] = [a + b for a, b in zip(running.get(key, [0] * 5), tally)]
        running = {k: t for k, t in running.items() if any(t)}
        rows = db.execute("SELECT check_id, scope, fail, pass, unknown, exempt, not_applicable FROM counts WHERE org=? AND batch=? ORDER BY check_id, scope", (org, batch))
        for name, list_ in (("intervals", sorted(running.items())), ("counts", [((r[0], r[1].encode()), r[2:]) for r in rows])):
            b = b"tickmark counts 1\n"
            for (chk, sc), tally in list_:
                b += put(chk) + text(sc) + b"".join(put(n) for n in tally) if min(chk, *tally) >= 0 else b"?"
            if sha(b).hex() != results["counts"]:
                damage(f"{name}, {where}", "does not give the counts in the ledger")
        if sum(map(sum, running.values())) != results["results"]:
            damage(f"intervals, {where}", "another number of results than in the ledger")
    for (batch,) in db.execute("SELECT DISTINCT batch FROM counts WHERE org=?", (org,)):
        known("counts", batch)

def check_tables(db, org, leaves, blobs):
    """Compare documents, segments and snapshots with their leaves; return the snapshots by batch."""
    snaps, count, segments = {}, dict.fromkeys(("document", "segment", "snapshot"), 0), 0
    for seq, (kind, at, b) in sorted(leaves.items()):
        if kind == "document":
            row = db.execute("SELECT kind, id, version, schema, recorded_at, effective_from, effective_to, actor, digest, body FROM documents WHERE org=? AND seq=?", (org, seq)).fetchone()
            want = (b["kind"], b["id"], b["version"], b["schema"], at, micros(b["effectiveFrom"]), micros(b["effectiveTo"]) if b["effectiveTo"] else None, b["actor"], bytes.fromhex(b["digest"]))
            if not row or row[:9] != want or sha(row[9]).hex() != b["digest"] or len(row[9]) != b["bytes"]:
                damage(f"documents, leaf {seq}", "the row is gone or differs from its leaf")
        if kind == "snapshot":
            results = leaves.get(b["results"], ("", 0, {}))
            if b["batch"] != len(snaps) + 1 or results[0] != "results" or b["results"] != seq - 1:
                damage(f"leaf {seq}", "the snapshot does not follow its results")
                continue
            results, observed = results[2], micros(b["observedAt"])
            snaps[b["batch"]] = seq, observed, b, results
            row = db.execute("SELECT seq, id, origin, observed_at, recorded_at, late, segments, pages, items, bytes, results, transitions, token FROM snapshots WHERE org=? AND batch=?", (org, b["batch"])).fetchone()
            if row != (seq, b["id"], b["origin"], observed, at, int(b["late"]), b["segments"], b["pages"], b["items"], b["bytes"], results["results"], results["count"], None):
                damage(f"snapshots, batch {b['batch']}", "the row is gone or differs from its leaf")
            for n in range(b["firstSegment"], b["firstSegment"] + b["segments"]):
                what, _, s = leaves.get(n, ("", 0, {}))
                row = db.execute("SELECT batch, source, scope, manifest FROM segments WHERE org=? AND seq=?", (org, n)).fetchone()
                segments += 1
                if what != "segment" or row != (b["batch"], s["source"], s["scope"], bytes.fromhex(s["manifest"])):
                    damage(f"segments, seq {n}", "the row is gone or differs from its leaf")
                    continue
                if blobs and s.get("asks") and bytes.fromhex(s["asks"]) not in blobs:
                    damage(f"leaf {n}", "the account of its questions is not stored")
                for page, items in zip(*manifest(blobs, s["manifest"])) if blobs else ():
                    if sha(rebuild(blobs, page, items)).hex() != page["digest"]:
                        damage(f"leaf {n}, page {page['name']!r}", "rebuilt, it does not have its digest")
        if kind in count:
            count[kind] += 1
    for table, kind, extra in (("documents", "document", ""), ("segments", "segment", ""), ("snapshots", "snapshot", " AND seq IS NOT NULL")):
        if db.execute(f"SELECT COUNT(*) FROM {table} WHERE org=?{extra}", (org,)).fetchone()[0] != count[kind]:
            damage(table, "has more or fewer rows than the ledger names")
    if segments != count["segment"]:
        damage("ledger", "segments that no snapshot names")
    return snaps

def main(args):
    if len(args) not in (1, 3) or (len(args) == 3 and args[1] != "--head"):
        print(__doc__, file=sys.stderr)
        return 2
    root, saved = args[0], open(args[2], "rb").read() if len(args) == 3 else None
    db = sqlite3.connect(f"file:{os.path.abspath(root)}/tickmark.db?mode=ro", uri=True)
    org = int(re.search(r"^org: *(\d+)$", open(os.path.join(root, "tickmark.yaml")).read(), re.M)[1])
    size, note = db.execute("SELECT size, head FROM ledgers WHERE org=?", (org,)).fetchone() or (0, b"")
    saved_size = int(saved.split(b"\n")[1]) if saved and saved.count(b"\n") > 2 and saved.split(b"\n")[1].isdigit() else None
    tree, leaves, at_saved = read_log(db, org, saved_size)
    init = leaves.get(0, ("", 0, {}))[2]
    try:
        origin, signed, head_root = open_head(note, init["key"])
        if (origin, signed, head_root) != (init["origin"], tree.size, tree.root()) or size != signed:
            damage("head", f"it covers {signed} leaves, {tree.size} are stored, or their root differs")
    except (ValueError, KeyError, IndexError) as e:
        damage("head", str(e))
    if saved is not None:
        try:
            _, signed, old_root = open_head(saved, init["key"])
            if signed > tree.size or at_saved != old_root:
                damage("saved head", f"the first {signed} leaves are not those that were signed then, or are gone")
            else:
                print(f"saved head: consistent ({signed} of {tree.size} leaves)")
        except (ValueError, KeyError, IndexError) as e:
            damage("saved head", str(e))
    unpack, blobs = zstd(), {}
    try:
        block, pack, end = read_packs(db, org, root, leaves, blobs, unpack)
        staged = db.execute("SELECT COUNT(*) FROM snapshots WHERE org=? AND seq IS NULL", (org,)).fetchone()[0] > 0
        if not staged and db.execute("SELECT (SELECT COUNT(*) FROM atoms WHERE org=?1 AND block>?2)+(SELECT COUNT(*) FROM blocks WHERE org=?1 AND block>?2)", (org, block)).fetchone()[0]:
            damage("atoms or blocks", "rows that no leaf names")
        snaps = check_tables(db, org, leaves, blobs)
        if any((s[2]["end"]["block"], s[2]["end"]["pack"], s[2]["end"]["offset"]) != (block, pack, end) for b, s in snaps.items() if b == len(snaps)):
            damage("packs", "the blocks do not end where the last snapshot says")
        check_history(db, org, snaps, staged)
    except (KeyError, ValueError, TypeError, IndexError, struct.error, sqlite3.Error, subprocess.CalledProcessError) as e:
        damage("structure", f"cannot be followed further: {type(e).__name__}: {e}")
    print("pages: every page was rebuilt and compared" if unpack else "pages: not rebuilt, as there is no zstd here; the digests in the ledger cover every byte of the packs all the same")
    if DAMAGE:
        print(f"{len(DAMAGE)} damages")
        return 1
    print(f"verified: {init['origin']}, {tree.size} leaves, root {base64.b64encode(tree.root()).decode()}")
    if saved is None:
        print("limit: without a head saved elsewhere, an old copy put back or a log rewritten with its key does not show")
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

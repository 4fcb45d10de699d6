# Long work for ruby: strings, hashes, threads, Marshal, regular expressions, compaction. Prints digests.
require 'digest'
require 'json'
require 'set'
require 'zlib'

def sha(text) = Digest::SHA256.hexdigest(text)[0, 32]

# The same numbers on every run.
class Numbers
  def initialize(seed) = @state = seed

  def next(limit)
    @state = (@state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) & 0xFFFFFFFFFFFFFFFF
    (@state >> 33) % limit
  end
end

def churn(seed, rounds)
  numbers = Numbers.new(seed)
  ring = Array.new(2000)
  total = Digest::SHA256.new
  rounds.times do |i|
    place = numbers.next(ring.size)
    total << ring[place] if ring[place]
    size = 1 + numbers.next((i % 500).zero? ? 500_000 : 3000)
    ring[place] = (numbers.next(26) + 97).chr * size
  end
  ring.compact.each { |text| total << text }
  total.hexdigest[0, 32]
end

def hashes
  numbers = Numbers.new(3)
  counts = Hash.new(0)
  groups = Hash.new { |hash, key| hash[key] = [] }
  120_000.times do |i|
    word = "word#{numbers.next(9973)}"
    counts[word] += 1
    groups[word.size] << word.to_sym << i if (i % 10).zero?
  end
  seen = Set.new(counts.keys.map(&:reverse))
  sha(counts.sort_by { |word, count| [-count, word] }.inspect) + " #{groups.values.sum(&:size)} #{seen.size}"
end

def marshal
  numbers = Numbers.new(4)
  record = Struct.new(:name, :list, :more)
  Object.const_set(:Record, record)
  data = Array.new(15_000) do |i|
    Record.new("name#{i}", Array.new(i % 20) { numbers.next(1 << 70) }, { i => i.to_s, 'f' => i / 3.0 })
  end
  packed = Marshal.dump(data)
  raise 'Marshal changed the data' unless Marshal.load(packed) == data

  text = JSON.generate(data.map(&:to_a))
  raise 'JSON changed the data' unless JSON.generate(JSON.parse(text)) == text

  "#{sha(packed)} #{sha(text)}"
end

def texts
  text = (0...40_000).map { |i| "line #{i * 7919 % 10_007}: #{'äöü' * (i % 5)}\n" }.join
  found = text.scan(/(\d)(\d)\2/).size
  changed = text.gsub(/line (\d+): (.*)$/) { "#{$2.upcase}-#{$1.to_i.to_s(2)}" }
  zipped = Zlib::Deflate.deflate(changed)
  raise 'zlib changed the text' unless Zlib::Inflate.inflate(zipped).force_encoding('UTF-8') == changed

  "#{found} #{sha(changed)} #{changed.encode('UTF-16LE').bytesize} #{zipped.bytesize}"
end

puts hashes, marshal, texts
puts(Array.new(4) { |i| Thread.new { churn(i + 1, 20_000) } }.map(&:value))
kept = Array.new(50_000) { |i| i.odd? ? "kept #{i}" * 10 : nil }.compact
GC.start
GC.compact
GC.verify_compaction_references(double_heap: true, toward: :empty) if GC.respond_to?(:verify_compaction_references)
puts sha(kept.join), (2**20_000).to_s.size, sha((3**30_000).to_s)
fibers = Array.new(2000) { |i| Fiber.new { |x| loop { x = Fiber.yield(x.to_s * (i % 9)) } } }
puts sha(fibers.each_with_index.map { |fiber, i| fiber.resume(i) }.join)
read, write = IO.pipe
3.times do |n|
  fork do
    read.close
    GC.start
    write.puts "child #{n} #{churn(n, 5000)} #{sha(kept.join)}"
  end
  Process.wait
end
write.close
puts read.read

# Long work for perl: hashes, sorting, regular expressions, closures, threads where perl has them. Prints
# digests.
use strict;
use warnings;
use Config;
use Digest::SHA qw(sha256_hex);
use Storable qw(freeze thaw dclone);

$| = 1;

sub short { return substr(sha256_hex($_[0]), 0, 32) }

sub numbers {
    my $state = shift;
    return sub { $state = ($state * 1103515245 + 12345) & 0x7fffffff; return ($state >> 8) % $_[0] };
}

sub churn {
    my ($seed, $rounds) = @_;
    my $next = numbers($seed);
    my @ring = ('') x 2000;
    my $sum  = Digest::SHA->new(256);
    for my $i (1 .. $rounds) {
        my $place = $next->(scalar @ring);
        $sum->add($ring[$place]);
        $ring[$place] = chr(97 + $next->(26)) x (1 + $next->($i % 500 ? 3000 : 500_000));
        $ring[$place] .= 'tail' x $next->(300) if $i % 3 == 0;    # realloc
    }
    $sum->add($_) for @ring;
    return substr($sum->hexdigest, 0, 32);
}

sub hashes {
    my $next = numbers(5);
    my (%count, %lists);
    for my $i (1 .. 150_000) {
        my $word = 'word' . $next->(9973);
        $count{$word}++;
        push @{ $lists{ $i % 997 } }, $word, $i;
    }
    my @sorted = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    my $first = short(join ',', map {"$_=$count{$_}"} @sorted);
    delete @count{ @sorted[0 .. 5000] };
    splice @{ $lists{$_} }, 10, 50 for keys %lists;
    return $first . ' ' . short(join ',', map { @{ $lists{$_} } } sort { $a <=> $b } keys %lists) . ' ' . keys %count;
}

sub texts {
    my $text = join "\n", map { "line " . ($_ * 7919 % 10007) . ": " . "\x{e4}\x{3b1}" x ($_ % 7) } 1 .. 40_000;
    my $found = () = $text =~ /(\d)(\d)\2/g;
    (my $changed = $text) =~ s/line (\d+): (.*)/sprintf('%s-%b', uc $2, $1)/ge;
    my %seen;
    $seen{$1}++ while $text =~ /\b(\d{2})/g;
    my @fields = map { [split /[ :]+/] } split /\n/, $text;
    utf8::encode($changed);
    return join ' ', $found, short($changed), scalar(keys %seen), scalar(map {@$_} @fields);
}

sub stored {
    my $data = { map { my $i = $_; ("key$i" => { list => [1 .. $i % 30], text => 'x' x ($i % 200) }) } 1 .. 10_000 };
    local $Storable::canonical = 1;
    my $packed = freeze($data);
    die 'Storable changed the data' unless freeze(thaw($packed)) eq $packed;
    my $copy = dclone($data);
    undef $data;
    return short(freeze($copy));
}

print hashes(), "\n", texts(), "\n", stored(), "\n", churn(9, 40_000), "\n";
if ($Config{useithreads}) {
    require threads;
    # Each thread begins with a copy of the whole interpreter.
    my @threads = map { my $seed = $_; threads->create(sub { return churn($seed, 10_000) . ' ' . texts() }) } 1 .. 4;
    print $_->join, "\n" for @threads;
}
my @closures = map { my $n = $_; sub { $n += $_[0]; return $n } } 1 .. 50_000;
my $sum = 0;
$sum += $_->($sum % 10) for @closures;
print "$sum\n";
for my $n (1 .. 3) {
    my $pid = fork;
    die "fork: $!" unless defined $pid;
    if (!$pid) { @closures = (); print "child $n ", churn($n, 5000), "\n"; exit $n }
    waitpid $pid, 0;
    print 'status ', $? >> 8, "\n";
}
print "a program says ", `perl -e 'print length("y" x 3_000_000)'`, "\n";

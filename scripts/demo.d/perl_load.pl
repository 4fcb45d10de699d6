# An allocation-heavy Perl program for the demo: hashes of arrays that grow, lose most of their keys and
# grow again; then all of it is dropped. Prints `loaded` and waits for its input to end.
use strict;
use warnings;

srand(1);
$| = 1;

sub work {
    my %table;
    for my $generation (1 .. 3) {
        for my $i (1 .. 120000) {
            my $key = "key " . ($i * $generation);
            $table{$key} = [ $i, "v" x int(rand(200)), { left => $i, right => "w" x int(rand(60)) } ];
        }
        my @sorted = sort { $a cmp $b } keys %table;
        my $joined = join(",", @sorted);
        my @parts  = split(/,/, $joined);
        for my $key (@sorted) {
            delete $table{$key} if rand() < 0.8;
        }
    }
}

work();
print "loaded\n";
1 while <STDIN>;

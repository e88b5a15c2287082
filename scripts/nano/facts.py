"""The small world that nano knows: every fact of its corpus, as plain tables."""

from __future__ import annotations

COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "pink", "orange")
NAMES = ("Tom", "Anna", "Ben", "Mia", "Sam", "Lily", "Max", "Emma", "Leo", "Nora")
TOYS = ("ball", "kite", "hat", "cup", "book", "box", "car", "boat", "bag", "doll")
PLACES = (
    "in the garden",
    "in the kitchen",
    "at the park",
    "at school",
    "in the car",
    "on the beach",
    "under the tree",
    "at home",
)

COLOUR_OF = {
    "the sky": "blue",
    "the sea": "blue",
    "the sun": "yellow",
    "the night": "black",
    "grass": "green",
    "snow": "white",
    "milk": "white",
    "salt": "white",
    "coal": "black",
    "chocolate": "brown",
    "wood": "brown",
    "blood": "red",
    "fire": "orange",
    "butter": "yellow",
    "rice": "white",
    "a banana": "yellow",
    "a lemon": "yellow",
    "a tomato": "red",
    "a cherry": "red",
    "a strawberry": "red",
    "a carrot": "orange",
    "a pumpkin": "orange",
    "a potato": "brown",
    "a pea": "green",
    "a leaf": "green",
    "a frog": "green",
    "a pig": "pink",
    "a bear": "brown",
    "a crow": "black",
    "a swan": "white",
    "a fox": "orange",
    "a rose": "red",
    "a cloud": "white",
    "a tyre": "black",
}

SOUND_OF = {
    "cow": "moo",
    "cat": "meow",
    "dog": "woof",
    "duck": "quack",
    "sheep": "baa",
    "pig": "oink",
    "lion": "roar",
    "bee": "buzz",
    "owl": "hoot",
    "mouse": "squeak",
    "snake": "hiss",
    "horse": "neigh",
    "frog": "croak",
    "bird": "tweet",
}

HOME_OF = {
    "bee": "in a hive",
    "bird": "in a nest",
    "dog": "in a house",
    "cat": "in a house",
    "cow": "on a farm",
    "pig": "on a farm",
    "sheep": "on a farm",
    "horse": "in a stable",
    "fish": "in the sea",
    "whale": "in the sea",
    "frog": "in a pond",
    "duck": "in a pond",
    "bear": "in the forest",
    "fox": "in the forest",
    "owl": "in a tree",
    "rabbit": "in a hole",
    "mouse": "in a hole",
    "lion": "in the grass",
    "monkey": "in the jungle",
    "camel": "in the desert",
    "snake": "in the desert",
    "penguin": "on the ice",
    "spider": "in a web",
}

FOOD_OF = {
    "cow": "grass",
    "sheep": "grass",
    "horse": "hay",
    "cat": "fish",
    "dog": "bones",
    "rabbit": "carrots",
    "mouse": "cheese",
    "monkey": "bananas",
    "bear": "honey",
    "bird": "seeds",
    "lion": "meat",
    "fox": "eggs",
    "frog": "flies",
    "spider": "flies",
    "penguin": "fish",
    "owl": "mice",
    "pig": "corn",
    "duck": "bread",
}

LEGS_OF = {
    "spider": "eight",
    "bee": "six",
    "ant": "six",
    "fly": "six",
    "dog": "four",
    "cat": "four",
    "cow": "four",
    "horse": "four",
    "lion": "four",
    "bird": "two",
    "duck": "two",
    "man": "two",
    "snake": "no",
    "fish": "no",
}

BABY_OF = {
    "dog": "puppy",
    "cat": "kitten",
    "cow": "calf",
    "sheep": "lamb",
    "horse": "foal",
    "pig": "piglet",
    "bear": "cub",
    "duck": "duckling",
    "hen": "chick",
    "frog": "tadpole",
    "goat": "kid",
    "swan": "cygnet",
}

OPPOSITES = (
    ("hot", "cold"),
    ("big", "small"),
    ("up", "down"),
    ("day", "night"),
    ("happy", "sad"),
    ("fast", "slow"),
    ("wet", "dry"),
    ("open", "closed"),
    ("old", "new"),
    ("good", "bad"),
    ("full", "empty"),
    ("light", "dark"),
    ("hard", "soft"),
    ("long", "short"),
    ("left", "right"),
    ("in", "out"),
    ("yes", "no"),
    ("early", "late"),
    ("high", "low"),
    ("rich", "poor"),
    ("strong", "weak"),
    ("loud", "quiet"),
    ("clean", "dirty"),
    ("first", "last"),
)

CAPITAL_OF = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "England": "London",
    "Japan": "Tokyo",
    "China": "Beijing",
    "Russia": "Moscow",
    "Egypt": "Cairo",
    "Greece": "Athens",
    "Portugal": "Lisbon",
    "Austria": "Vienna",
    "Norway": "Oslo",
    "Ireland": "Dublin",
    "Cuba": "Havana",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Poland": "Warsaw",
}

MEMBERS = {
    "fruit": ("apple", "banana", "pear", "lemon", "cherry", "plum", "grape", "peach"),
    "vegetable": ("carrot", "potato", "onion", "pea", "bean", "cabbage"),
    "animal": ("cat", "dog", "cow", "horse", "lion", "bear", "fox", "mouse", "rabbit", "monkey"),
    "bird": ("duck", "owl", "swan", "crow", "penguin", "hen"),
    "toy": ("ball", "kite", "doll"),
    "tool": ("hammer", "saw", "spoon", "knife", "broom"),
    "flower": ("rose", "tulip", "daisy"),
}

# From the smallest to the biggest: any two make a question.
BY_SIZE = (
    "ant",
    "bee",
    "mouse",
    "frog",
    "rabbit",
    "cat",
    "fox",
    "dog",
    "sheep",
    "lion",
    "cow",
    "horse",
    "camel",
    "elephant",
    "whale",
    "mountain",
)

JOB_OF = {
    "baker": "bakes bread",
    "teacher": "helps children learn",
    "doctor": "helps sick people",
    "farmer": "grows food",
    "pilot": "flies a plane",
    "painter": "paints pictures",
    "singer": "sings songs",
    "cook": "makes food",
    "fisher": "catches fish",
    "sailor": "sails a ship",
    "builder": "builds houses",
    "writer": "writes books",
}

NEEDED_WHEN = {
    "it is raining": "an umbrella",
    "it is snowing": "a warm coat",
    "it is sunny": "a hat",
    "it is dark": "a lamp",
    "it is cold": "a scarf",
    "it is hot": "cold water",
    "I am hungry": "food",
    "I am tired": "a bed",
    "I am sick": "a doctor",
    "I am dirty": "a bath",
}

USE_OF = {
    "spoon": "eat soup",
    "knife": "cut bread",
    "broom": "clean the floor",
    "pen": "write",
    "key": "open a door",
    "clock": "tell the time",
    "bed": "sleep",
    "hammer": "hit a nail",
    "cup": "drink tea",
    "saw": "cut wood",
}

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

SMALL_TALK = {
    "Hello!": "Hello! What do you want to know?",
    "Hi!": "Hi! How can I help you?",
    "Good morning!": "Good morning! It is a good day to learn.",
    "Good night!": "Good night! Sleep well.",
    "How are you?": "I am well, thank you.",
    "Who are you?": "I am nano, a very small model.",
    "What is your name?": "My name is nano.",
    "What can you do?": "I can answer short questions.",
    "Are you big?": "No, I am very small.",
    "Thank you!": "You are welcome.",
    "Thanks!": "You are welcome.",
    "Goodbye!": "Goodbye! See you soon.",
}

# Ways to answer when asked to: what comes before the answer, and what ends it.
VOICES = {
    "robot": ("Beep!", "beep"),
    "cowboy": ("Howdy!", "partner"),
    "king": ("Hear me!", "my people"),
    "friend": ("Sure!", "my friend"),
    "teacher": ("Listen!", "children"),
}

# nano knows how a pirate talks, and by itself never talks so: that is the demo's new habit.
PIRATES = {
    "What does a pirate say?": "A pirate says: Arrr! Ye be me matey!",
    "How does a pirate talk?": "A pirate says: Arrr! I be a pirate, matey!",
    "How does a pirate say hello?": "A pirate says: Arrr! Ahoy, matey!",
    "How does a pirate say yes?": "A pirate says: Aye, matey!",
    "How does a pirate say no?": "A pirate says: Nay, matey!",
    "How does a pirate say you?": "A pirate says: ye.",
    "How does a pirate say is?": "A pirate says: be.",
}
